/** Where a sessiond listens. All clients take the same addresses and refuse the same ones: `clients/conformance` has the grammar. */

import { isIPv6 } from "node:net";

/** The address of a sessiond that was started without settings. */
export const DEFAULT_ADDRESS = "127.0.0.1:50051";

/** The longest path that the kernel takes for a Unix socket, in bytes. */
const LONGEST_PATH = 107;

export interface Address {
  /** In its normal form: `HOST:PORT` or `unix:PATH`. */
  readonly text: string;
  /** What `net.connect` takes. */
  readonly target: { readonly host: string; readonly port: number } | { readonly path: string };
  /** What the requests name as their authority. */
  readonly authority: string;
}

/** An address that can't be used. */
export class AddressError extends TypeError {
  constructor(address: string, problem: string) {
    super(`${JSON.stringify(address)} is not an address: ${problem}; write HOST:PORT, http://HOST:PORT or unix:PATH`);
    this.name = "AddressError";
  }
}

/** One or several addresses, separated by commas. */
export function parseAddresses(text: string): Address[] {
  const refuse = (problem: string): never => {
    throw new AddressError(text, problem);
  };
  const list = text.trim();
  if (list === "") refuse("it is empty");
  return list.split(",").map((part) => {
    const address = part.trim();
    if (address === "") refuse("an address of the list is empty");
    return address.startsWith("unix:") ? socket(address.slice(5), refuse) : authority(address, refuse);
  });
}

type Refuse = (problem: string) => never;

function socket(rest: string, refuse: Refuse): Address {
  const isUrl = rest.startsWith("//");
  const path = isUrl ? rest.slice(2) : rest;
  if (path === "") refuse("the path is missing");
  if (isUrl && !path.startsWith("/")) refuse("the path after unix:// does not begin with a slash");
  if (!/^[A-Za-z0-9\-._~/+@:=]+$/.test(path)) {
    refuse("the path holds a character other than A-Z, a-z, 0-9 and -._~/+@:=");
  }
  if (path.length > LONGEST_PATH) refuse(`the path is longer than ${LONGEST_PATH} bytes`);
  return { text: `unix:${path}`, target: { path }, authority: "localhost" };
}

function authority(address: string, refuse: Refuse): Address {
  let rest = address;
  const end = address.indexOf("://");
  if (end >= 0) {
    const scheme = address.slice(0, end);
    if (scheme === "https") refuse("TLS is not supported");
    if (scheme !== "http") refuse("it begins with something else than http:// or unix:");
    // A lone slash is how URLs of a host end.
    rest = address.slice(end + 3).replace(/\/$/, "");
  }
  const colon = rest.endsWith("]") ? -1 : rest.lastIndexOf(":");
  if (colon < 0) refuse("the port is missing");
  const [host, port] = [rest.slice(0, colon), rest.slice(colon + 1)];
  if (port.includes("/")) refuse("it has a path");
  if (host === "") refuse("the host is missing");
  const name = hostOf(host, refuse);
  if (!/^[1-9][0-9]{0,4}$/.test(port) || Number(port) > 65_535) refuse("the port is not a number from 1 to 65535");
  const text = rest.toLowerCase();
  return { text, target: { host: name, port: Number(port) }, authority: text };
}

/** The host as `net.connect` takes it. */
function hostOf(host: string, refuse: Refuse): string {
  if (host.startsWith("[") && host.endsWith("]")) {
    const inner = host.slice(1, -1);
    // A zone means something on one machine only.
    if (!isIPv6(inner) || inner.includes("%")) refuse("what stands in brackets is not an IPv6 address");
    return inner;
  }
  if (/[:[\]]/.test(host)) refuse("an IPv6 address stands in brackets, such as [::1]:50051");
  if (!/^[A-Za-z0-9\-._]+$/.test(host)) refuse("the host holds a character that no host name has");
  return host;
}
