/** How this client signs in, tries again and turns pages; schema.ts is generated. */

import { OAuth2Client, OAuth2Fetch } from "@badgateway/oauth2-client";
import ky, { HTTPError, type RetryOptions } from "ky";
import createClient, { type Client, type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];
export type MyappClient = Client<paths>;

/** What an operation answers: the data, or what went wrong. */
interface Answer<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

interface Page<Item> {
  items: Item[];
  next: string | null;
}

/** The server refused; `problem` says what is wrong, and where. */
export class ProblemError extends Error {
  override name = "ProblemError";

  constructor(readonly problem: Problem) {
    super(`${problem.status} ${problem.title}: ${problem.detail}`);
  }
}

const NOT_IDEMPOTENT = ["POST", "PATCH"];
const NOT_CONNECTED = [
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ENOTFOUND",
  "UND_ERR_CONNECT_TIMEOUT",
];
const RETRY: RetryOptions = {
  limit: 5,
  methods: ["get", "head", "options", "put", "delete", "post", "patch"],
  statusCodes: [429, 503],
  afterStatusCodes: [429, 503],
  maxRetryAfter: 60_000,
  retryOnTimeout: true,
  jitter: true,
};

/** Return a client that signs in with an API key or an access token. */
export function connect(baseUrl: string, token: string): MyappClient {
  return clientOf(baseUrl, async () => token);
}

/**
 * Return a client that fetches its access tokens, and renews what expires.
 *
 * They come by OAuth's client credentials (RFC 6749 section 4.4).
 */
export function connectBySecret(
  baseUrl: string,
  clientId: string,
  clientSecret: string,
): MyappClient {
  const client = new OAuth2Client({
    server: baseUrl,
    tokenEndpoint: "/v1/auth/token",
    clientId,
    clientSecret,
    fetch: (input, init) => send(new Request(input, init)),
  });
  const getNewToken = () => client.clientCredentials();
  const tokens = new OAuth2Fetch({ client, getNewToken, scheduleRefresh: false });
  return clientOf(baseUrl, () => tokens.getAccessToken());
}

function clientOf(baseUrl: string, token: () => Promise<string>): MyappClient {
  const client = createClient<paths>({ baseUrl, fetch: send });
  client.use(signedBy(token));
  return client;
}

function signedBy(token: () => Promise<string>): Middleware {
  return {
    async onRequest({ request }) {
      request.headers.set("Authorization", `Bearer ${await token()}`);
      if (request.method === "PATCH") {
        request.headers.set("Content-Type", "application/merge-patch+json");
      }
      return request;
    },
  };
}

/** Send a request, again as its method allows; wait as `Retry-After` says. */
async function send(request: Request): Promise<Response> {
  const careful = NOT_IDEMPOTENT.includes(request.method);
  const retry = careful ? { ...RETRY, shouldRetry: nothingWasDone } : RETRY;
  try {
    return await ky(request, { retry, timeout: 30_000 });
  } catch (error) {
    if (error instanceof HTTPError) return error.response;
    throw error;
  }
}

/** Forbid a second POST or PATCH, unless the first can have done nothing. */
function nothingWasDone({ error }: { error: Error }): false | undefined {
  if (error instanceof HTTPError) {
    return error.response.headers.has("Retry-After") ? undefined : false;
  }
  const { code } = (error.cause ?? {}) as { code?: string };
  return code !== undefined && NOT_CONNECTED.includes(code) ? undefined : false;
}

/** Return what was asked for; throw ProblemError where the server refused. */
export function checked<Data>(answer: Answer<Data>): Data {
  if (!answer.response.ok) throw new ProblemError(problemOf(answer));
  return answer.data as Data; // undefined is the answer of what was deleted
}

/** Return the problem; that of another's answer (OAuth's, a proxy's) is made up. */
function problemOf({ error, response }: Answer<unknown>): Problem {
  if (response.headers.get("Content-Type") === "application/problem+json") {
    return error as Problem;
  }
  const detail = typeof error === "string" ? error : JSON.stringify(error);
  const request_id = response.headers.get("X-Request-Id") ?? "";
  const { status, statusText: title } = response;
  return { type: "about:blank", title, status, detail, request_id };
}

/** Yield the items of all pages, each of which is asked for with its cursor. */
export async function* every<Item>(
  list: (cursor?: string) => Promise<Answer<Page<Item>>>,
): AsyncGenerator<Item> {
  let cursor: string | undefined;
  do {
    const page = checked(await list(cursor));
    yield* page.items;
    cursor = page.next ?? undefined;
  } while (cursor);
}
