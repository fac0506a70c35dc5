/** Certificates and keys from files, variables and options. What is wrong with one is said with the name of its source. */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Pem, TlsError, type TlsOptions } from "./options.js";

/** A text in PEM. */
export interface Source {
  /** What it is called in errors: the setting, and the file if it is one. */
  readonly name: string;
  readonly text: string;
}

type FileOption = "caFile" | "certificateFile" | "keyFile";
type TextOption = "ca" | "cert" | "key";

/** Where a setting comes from; what it says is read later. */
export interface Setting {
  readonly read: () => Source;
}

/** A setting as it was given: as text, as a file, or as a file in the environment. */
export function settingOf(
  options: TlsOptions,
  fileOption: FileOption,
  textOption: TextOption,
  variable: string,
): Setting | undefined {
  const file = options[fileOption];
  const text = options[textOption];
  if (text !== undefined) {
    if (file !== undefined) throw new TlsError(`tls.${textOption} and tls.${fileOption} exclude each other: give one`);
    return { read: () => ({ name: `tls.${textOption}`, text: textOf(`tls.${textOption}`, text) }) };
  }
  if (file !== undefined) return { read: () => readSource(`tls.${fileOption}`, file) };
  const named = process.env[variable];
  // An empty variable counts as unset.
  return named ? { read: () => readSource(variable, named) } : undefined;
}

function textOf(name: string, pem: Pem | readonly Pem[]): string {
  if (typeof pem === "string") return pem;
  if (pem instanceof Uint8Array) return Buffer.from(pem.buffer, pem.byteOffset, pem.byteLength).toString("latin1");
  if (Array.isArray(pem)) return pem.map((part: Pem) => textOf(name, part)).join("\n");
  throw new TlsError(`${name} is neither text nor bytes`);
}

const PROBLEMS: { readonly [code: string]: string } = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EACCES: "it may not be opened",
  EPERM: "it may not be opened",
  EISDIR: "it is a folder",
};

function readSource(setting: string, file: unknown): Source {
  if (typeof file !== "string") throw new TlsError(`${setting} is no path of a file`);
  // It may be a key, and is not repeated.
  if (file.includes("-----BEGIN"))
    throw new TlsError(`${setting}: the text of a PEM file stands where its path belongs`);
  const name = `${setting} ${JSON.stringify(file)}`;
  try {
    return { name, text: readFileSync(file, "latin1") };
  } catch (error) {
    const { code = "" } = error as { code?: string };
    throw new TlsError(`${name} can't be read: ${PROBLEMS[code] ?? code}`);
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
const KEY = /-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----[\s\S]*?-----END \1-----/;

/** The certificates of a source, each by itself: OpenSSL stops at the first that is damaged and says nothing. */
export function certificatesIn({ name, text }: Source): [string, ...string[]] {
  const [first, ...rest] = text.match(CERTIFICATE) ?? [];
  if (first === undefined) throw new TlsError(`${name} holds no certificate`);
  for (const block of [first, ...rest]) parsed(name, block);
  return [first, ...rest];
}

/** A certificate that is known to be whole, or is refused. */
function parsed(name: string, block: string): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch {
    throw new TlsError(`${name} holds a damaged certificate`);
  }
}

/** The private key of a source, which belongs to a certificate. What OpenSSL says of a key is not handed on. */
export function keyIn(source: Source, certificate: string, certificateSource: Source): string {
  const [block] = KEY.exec(source.text) ?? [];
  if (block === undefined) throw new TlsError(`${source.name} holds no private key`);
  if (block.includes("ENCRYPTED")) {
    throw new TlsError(`${source.name} holds a private key under a password: write it without one`);
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(block);
  } catch {
    throw new TlsError(`${source.name} holds a damaged private key`);
  }
  if (!parsed(certificateSource.name, certificate).checkPrivateKey(key)) {
    throw new TlsError(`${source.name} does not belong to the certificate of ${certificateSource.name}`);
  }
  return block;
}
