/** Where a sessiond listens. */

/** The address of a sessiond that was started without settings. */
export const DEFAULT_ADDRESS = "127.0.0.1:50051";

export interface Address {
  /** As the caller wrote it: errors name the address in the words of the setting. */
  readonly text: string;
  /** What `net.connect` takes. */
  readonly target: { readonly host: string; readonly port: number } | { readonly path: string };
  /** What the requests name as their authority. */
  readonly authority: string;
}

/** An address that can't be used. */
export class AddressError extends TypeError {
  constructor(address: string, problem: string) {
    const text = address.replace(/\p{Cc}/gu, " ");
    super(`"${text}" is not an address: ${problem}; write HOST:PORT, [IPV6]:PORT, http://HOST:PORT or unix:PATH`);
    this.name = "AddressError";
  }
}

/** One or several addresses, separated by commas. */
export function parseAddresses(text: string): Address[] {
  return text.split(",").map((part) => parseAddress(part.trim()));
}

function parseAddress(text: string): Address {
  if (text === "") throw new AddressError(text, "it is empty");
  if (text.startsWith("unix:")) {
    const path = text.startsWith("unix://") ? text.slice(7) : text.slice(5);
    if (path === "") throw new AddressError(text, "the path is missing");
    if (path.includes("\0")) throw new AddressError(text, "the path holds a character that no path has");
    return { text, target: { path }, authority: "localhost" };
  }
  if (text.startsWith("https://")) throw new AddressError(text, "TLS is not supported");
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
  if (scheme !== undefined && scheme !== "http") throw new AddressError(text, `${scheme} is not a known scheme`);
  const rest = text.replace(/^http:\/\//, "").replace(/\/$/, "");
  const colon = rest.lastIndexOf(":");
  if (colon < 0) throw new AddressError(text, "the port is missing");
  const host = rest.slice(0, colon);
  const port = rest.slice(colon + 1);
  if (host === "") throw new AddressError(text, "the host is missing");
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535) {
    throw new AddressError(text, "the port is not a number from 1 to 65535");
  }
  return { text, target: { host: hostOf(text, host), port: Number(port) }, authority: rest };
}

function hostOf(text: string, host: string): string {
  if (host.startsWith("[") && host.endsWith("]")) {
    const inner = host.slice(1, -1);
    if (!/^[0-9a-fA-F:.]+(%[A-Za-z0-9_.-]+)?$/.test(inner) || !inner.includes(":")) {
      throw new AddressError(text, "between the brackets is no IPv6 address");
    }
    return inner;
  }
  if (host.includes(":")) throw new AddressError(text, "an IPv6 address stands in brackets, such as [::1]:50051");
  if (!/^[A-Za-z0-9._-]+$/.test(host)) throw new AddressError(text, "the host is not a host name");
  return host;
}
