// The users of the example site, in memory. A real site has them in its database.
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify(scrypt);
const LONGEST = 100;

export class Users {
  #users = new Map();
  /** So that an unknown name takes as long as a wrong password. */
  #nobody = { salt: randomBytes(16), hash: randomBytes(32) };

  /** What is wrong with the name or password; nothing if the user was made. */
  async add(name, password) {
    if (!/^[\w.-]{1,30}$/.test(name)) return "A name has 1 to 30 letters, digits, dots and dashes.";
    if (password.length < 8 || password.length > LONGEST) return "A password has 8 to 100 characters.";
    if (this.#users.has(name)) return "This name is taken.";
    const salt = randomBytes(16);
    this.#users.set(name, { salt, hash: await derive(password, salt, 32) });
    return undefined;
  }

  async isRight(name, password) {
    const user = this.#users.get(name);
    const { salt, hash } = user ?? this.#nobody;
    const given = await derive(password.slice(0, LONGEST), salt, 32);
    return timingSafeEqual(given, hash) && user !== undefined;
  }
}
