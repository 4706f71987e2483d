// Validates resources of other API groups against the schemas of their definitions. Reads a JSON list of
// resources, and prints a line for each invalid one.

import { readFileSync } from "node:fs";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";

const models = { HTTPRoute, PrometheusRule, ServiceMonitor };

for (const resource of JSON.parse(readFileSync(0, "utf8"))) {
  const Model = models[resource.kind];
  const name = `${resource.kind} ${resource.metadata.name}`;
  if (!Model) {
    console.log(`${name}: no schema is known for this kind`);
    continue;
  }
  if (resource.apiVersion !== Model.apiVersion) {
    console.log(`${name}: ${resource.apiVersion} is not ${Model.apiVersion}`);
    continue;
  }
  try {
    new Model(resource).validate();
  } catch (error) {
    console.log(`${name}: ${error.message}`);
  }
}
