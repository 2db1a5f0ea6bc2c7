/** Runs one program of programs.ts: `node main.mjs <name> <url>`. */

import { text } from "node:stream/consumers";
import { connect, connectBySecret } from "myapp-client";
import * as programs from "./programs.js";

const [name, url] = process.argv.slice(2);
console.log("ready");
const [secret, id] = (await text(process.stdin)).trim().split(" ").reverse();
const client = id ? connectBySecret(url, id, secret) : connect(url, secret);
console.log(JSON.stringify(await programs[name](client)));
