// What a frontend does first, with a client that is made of the schema alone: connect a PSA, import
// companies, sync, read MRR. Compiled under --strict with noUncheckedIndexedAccess, without a cast.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import createClient from "openapi-fetch";

import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];
type Problem = Schemas["Problem"];
type Page<Row> = { next: string | null; previous: string | null; results: Row[] };
type Answer<Data> = { data?: Data; error?: Problem; response: Response };

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

const api = createClient<paths>({
  baseUrl: setting("AUDIT_URL"),
  headers: { Authorization: `Bearer ${setting("AUDIT_TOKEN")}` },
});

function must<Data>({ data, error, response }: Answer<Data>): Data {
  if (data !== undefined) return data;
  throw new Error(error ? `${error.code}: ${error.detail}` : `HTTP ${response.status}`);
}

function check(is: boolean, what: string): void {
  if (!is) throw new Error(what);
}

async function everything<Row>(
  read: (cursor: string | undefined) => Promise<Answer<Page<Row>>>,
): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | undefined;
  do {
    const page = must(await read(cursor));
    rows.push(...page.results);
    cursor = page.next === null ? undefined : (new URL(page.next).searchParams.get("cursor") ?? undefined);
  } while (cursor !== undefined);
  return rows;
}

function hasEnded(state: Schemas["RunState"]): boolean {
  switch (state) {
    case "queued":
    case "running":
      return false;
    case "succeeded":
    case "partial":
    case "failed":
    case "cancelled":
      return true;
  }
}

async function ended(id: string): Promise<Schemas["SyncRun"]> {
  for (let tries = 0; tries < 240; tries++) {
    const run = must(await api.GET("/api/v1/sync-runs/{id}/", { params: { path: { id } } }));
    if (hasEnded(run.state)) return run;
    await sleep(250);
  }
  throw new Error(`sync run ${id} does not end`);
}

async function connect(): Promise<Schemas["Integration"]> {
  const psas = must(await api.GET("/api/v1/psas/"));
  const psa = psas.find((one) => one.psa === "connectwise");
  if (psa === undefined) throw new Error("there is no such PSA");
  const credentials = Object.fromEntries(psa.fields.map(({ name }) => [name, setting(`AUDIT_${name}`)]));
  const header = { "Idempotency-Key": randomUUID() };
  const send = () =>
    api.POST("/api/v1/integrations/", { params: { header }, body: { psa: psa.psa, credentials } });
  const first = await send();
  const again = await send();
  check(must(first).id === must(again).id, "the same key connects once");
  check(again.response.headers.get("Idempotent-Replay") === "true", "and says so");
  return must(first);
}

async function firstReading(id: string): Promise<Schemas["SyncRun"]> {
  for (let tries = 0; tries < 240; tries++) {
    const { last_test, last_sync } = must(
      await api.GET("/api/v1/integrations/{id}/", { params: { path: { id } } }),
    );
    const refused = last_test?.checks.find((one) => one.ok === false);
    if (refused !== undefined) throw new Error(`${refused.name}: ${refused.message} ${refused.fix}`);
    if (last_sync !== null) return ended(last_sync.id);
    await sleep(250);
  }
  throw new Error("nothing was read");
}

async function importSome(integration: string): Promise<Schemas["ImportResult"]> {
  const rows = await everything((cursor) =>
    api.GET("/api/v1/integrations/{id}/psa-companies/", {
      params: {
        path: { id: integration },
        query: { importable: true, page_size: 20, ...(cursor === undefined ? {} : { cursor }) },
      },
    }),
  );
  const external_ids = rows.filter((row) => row.can.includes("import")).map((row) => row.external_id);
  check(external_ids.length > 20, "there is more than one page to import");
  const header = { "Idempotency-Key": randomUUID() };
  const send = () =>
    api.POST("/api/v1/companies/import/", { params: { header }, body: { integration, external_ids } });
  const first = must(await send());
  check(first.sync_run?.id === must(await send()).sync_run?.id, "the same key imports once");
  return first;
}

async function nested(id: string): Promise<number> {
  const path = { id };
  const agreements = await everything((cursor) =>
    api.GET("/api/v1/companies/{id}/agreements/", {
      params: { path, query: { page_size: 1, ...(cursor === undefined ? {} : { cursor }) } },
    }),
  );
  const contacts = await everything((cursor) =>
    api.GET("/api/v1/companies/{id}/contacts/", {
      params: { path, query: { page_size: 1, ...(cursor === undefined ? {} : { cursor }) } },
    }),
  );
  check(contacts.some((one) => one.is_primary), "there is a primary contact");
  return agreements.length;
}

async function guarded(id: string): Promise<void> {
  const params = { path: { id } };
  const seen = await api.GET("/api/v1/companies/{id}/", { params });
  const header = { "If-Match": seen.response.headers.get("ETag") ?? "" };
  const [contact] = must(await api.GET("/api/v1/companies/{id}/contacts/", { params })).results;
  check(contact !== undefined && contact.email + contact.phone !== "", "it can be reached");
  const changed = await api.PATCH("/api/v1/companies/{id}/", {
    params: { ...params, header },
    body: { status: "archived" },
  });
  check(must(changed).status === "archived", "what was seen can be changed");
  const late = await api.PATCH("/api/v1/companies/{id}/", {
    params: { ...params, header },
    body: { status: "active" },
  });
  check(late.error?.code === "precondition_failed", "and nothing that was not");
  must(await api.PATCH("/api/v1/companies/{id}/", { params, body: { status: "active" } }));
}

async function main(): Promise<void> {
  const integration = await connect();
  const reading = await firstReading(integration.id);
  check(reading.counts.companies.created > 20, "the import list was read");

  const { imported, sync_run } = await importSome(integration.id);
  if (sync_run === null) throw new Error("nothing was imported");
  check((await ended(sync_run.id)).state === "succeeded", "the agreements follow");
  const id = integration.id;
  const now = must(await api.POST("/api/v1/integrations/{id}/sync/", { params: { path: { id } } }));
  check((await ended(now.id)).error === null, "Sync Now goes through");

  const first = imported[0];
  if (first === undefined) throw new Error("nothing was imported");
  await guarded(first.id);
  let agreements = 0;
  for (const company of imported.slice(0, 5)) agreements += await nested(company.id);
  const unknown = await api.GET("/api/v1/companies/{id}/", { params: { path: { id: randomUUID() } } });
  check(unknown.error?.code === "not_found" && unknown.error.fix !== null, "errors say what to do");

  const figure = must(await api.GET("/api/v1/companies/{id}/mrr/", { params: { path: { id: first.id } } }));
  const mrr = must(await api.GET("/api/v1/mrr/", { params: { query: { as_of: figure.as_of } } }));
  const told = { imported: imported.length, agreements, ledger: figure.ledger.length, totals: mrr.totals };
  console.log(JSON.stringify(told));
}

await main();
