/** Where a sessiond listens. All clients take the same addresses and refuse the same ones: `clients/conformance` has the grammar. */

import { isIPv6 } from "node:net";

/** The address of a sessiond that was started without settings. */
export const DEFAULT_ADDRESS = "127.0.0.1:50051";

/** The longest path that the kernel takes for a Unix socket, in bytes. */
const LONGEST_PATH = 107;

export interface Address {
  /** In its normal form: `HOST:PORT`, `https://HOST:PORT` or `unix:PATH`. */
  readonly text: string;
  /** Whether it is called over TLS. */
  readonly isSecure: boolean;
  /** What `net.connect` takes. */
  readonly target: { readonly host: string; readonly port: number } | { readonly path: string };
  /** What the requests name as their authority, unless the server goes by another name. */
  readonly authority: string;
}

/** An address that can't be used. */
export class AddressError extends TypeError {
  constructor(address: string, problem: string) {
    super(
      `${JSON.stringify(address)} is not an address: ${problem}; ` +
        "write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH",
    );
    this.name = "AddressError";
  }
}

/** One or several addresses, separated by commas. All of them are called over TLS, or none. */
export function parseAddresses(text: string): Address[] {
  const refuse = (problem: string): never => {
    throw new AddressError(text, problem);
  };
  const list = text.trim();
  if (list === "") refuse("it is empty");
  const addresses = list.split(",").map((part) => {
    const address = part.trim();
    if (address === "") refuse("an address of the list is empty");
    return address.startsWith("unix:") ? socket(address.slice(5), refuse) : authority(address, refuse);
  });
  if (addresses.some(({ isSecure }) => isSecure !== addresses[0]?.isSecure)) {
    refuse("https:// stands before all addresses or before none");
  }
  return addresses;
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
  return { text: `unix:${path}`, isSecure: false, target: { path }, authority: "localhost" };
}

function authority(address: string, refuse: Refuse): Address {
  let rest = address;
  let isSecure = false;
  const end = address.indexOf("://");
  if (end >= 0) {
    const scheme = address.slice(0, end);
    isSecure = scheme === "https";
    if (!isSecure && scheme !== "http") refuse("it begins with something else than http://, https:// or unix:");
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
  const normal = rest.toLowerCase();
  const text = isSecure ? `https://${normal}` : normal;
  return { text, isSecure, target: { host: name, port: Number(port) }, authority: normal };
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
