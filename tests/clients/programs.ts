/** Programs that use the TypeScript client, as programs.py does the Python client. */

import { checked, every, ProblemError, type MyappClient, type Schemas } from "myapp-client";

const CUSTOMERS = "/v1/sample_customers";
const CUSTOMER = "/v1/sample_customers/{sample_customer_id}";

async function create(client: MyappClient, name: string): Promise<Schemas["SampleCustomer"]> {
  const body = { name, email: "ada@example.com" };
  return checked(await client.POST(CUSTOMERS, { body }));
}

/** Create, read, list two pages, change, delete, and send what is not valid. */
export async function tour(client: MyappClient): Promise<unknown> {
  const made: Schemas["SampleCustomer"][] = [];
  for (const name of ["Ada", "Grace", "Edsger"]) made.push(await create(client, name));
  const params = { path: { sample_customer_id: made[0]!.id } };
  const read = checked(await client.GET(CUSTOMER, { params }));
  const listed: string[] = [];
  for await (const customer of every((cursor) =>
    client.GET(CUSTOMERS, { params: { query: { limit: 2, cursor } } }),
  )) {
    listed.push(customer.name);
  }
  const answer = await client.PATCH(CUSTOMER, { params, body: { name: "Ada Lovelace" } });
  const changed = checked(answer);
  checked(await client.DELETE(CUSTOMER, { params }));
  return {
    created: made.map((customer) => customer.name),
    read: read.name,
    listed,
    changed: changed.name,
    etag: answer.response.headers.has("ETag"),
    deleted: await refusal(async () => checked(await client.GET(CUSTOMER, { params }))),
    invalid: await refusal(() => create(client, "")),
  };
}

/** Return the status and the fields of the problem that a call ends in. */
async function refusal(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
    return null;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return [error.problem.status, (error.problem.errors ?? []).map((broken) => broken.at)];
  }
}

/** Read a list four times. */
export async function reads(client: MyappClient): Promise<number> {
  for (let time = 0; time < 4; time++) checked(await client.GET(CUSTOMERS));
  return 4;
}

/** Add four customers. */
export async function writes(client: MyappClient): Promise<number> {
  for (let time = 0; time < 4; time++) await create(client, "Ada");
  return 4;
}

/** Read a list, whatever comes. */
export async function read(client: MyappClient): Promise<boolean> {
  return failure(() => client.GET(CUSTOMERS));
}

/** Add a customer, whatever comes. */
export async function write(client: MyappClient): Promise<boolean> {
  return failure(() => create(client, "Ada"));
}

async function failure(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return false;
  } catch {
    return true;
  }
}
