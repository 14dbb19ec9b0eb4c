"""Google's APIs whose descriptions are not among those that are shipped: what is used of each, by its REST reference."""

from __future__ import annotations

from typing import Any

# Managed Lustre: projects.locations.instances list, get and delete, projects.locations.operations get.
_LUSTRE: dict[str, Any] = {
    "name": "lustre",
    "servicePath": "",
    "schemas": {},
    "parameters": {},
    "resources": {
        "instances": {
            "methods": {
                "list": {
                    "id": "lustre.projects.locations.instances.list",
                    "httpMethod": "GET",
                    "path": "v1/{+parent}/instances",
                    "parameters": {
                        "parent": {"location": "path", "pattern": "^projects/[^/]+/locations/[^/]+$"},
                        "pageSize": {"location": "query", "type": "integer"},
                        "pageToken": {"location": "query", "type": "string"},
                        "filter": {"location": "query", "type": "string"},
                    },
                },
                **{
                    verb: {
                        "id": f"lustre.projects.locations.instances.{verb}",
                        "httpMethod": http,
                        "path": "v1/{+name}",
                        "parameters": {
                            "name": {"location": "path", "pattern": "^projects/[^/]+/locations/[^/]+/instances/[^/]+$"}
                        },
                    }
                    for verb, http in (("get", "GET"), ("delete", "DELETE"))
                },
            }
        },
        "operations": {
            "methods": {
                "get": {
                    "id": "lustre.projects.locations.operations.get",
                    "httpMethod": "GET",
                    "path": "v1/{+name}",
                    "parameters": {"name": {"location": "path", "pattern": "^projects/[^/]+/locations/[^/]+/operations/[^/]+$"}},
                }
            }
        },
    },
}
# Cloud Quotas: projects.locations.services.quotaInfos get, and of QuotaInfo what is read.
_QUOTAS: dict[str, Any] = {
    "name": "cloudquotas",
    "servicePath": "",
    "parameters": {},
    "schemas": {
        "QuotaInfo": {
            "type": "object",
            "properties": {
                **{
                    name: {"type": "string"}
                    for name in ("name", "quotaId", "metric", "service", "containerType", "metricUnit", "refreshInterval")
                },
                "isPrecise": {"type": "boolean"},
                "dimensions": {"type": "array", "items": {"type": "string"}},
                "dimensionsInfos": {"type": "array", "items": {"$ref": "DimensionsInfo"}},
            },
        },
        "DimensionsInfo": {
            "type": "object",
            "properties": {
                "dimensions": {"type": "object", "additionalProperties": {"type": "string"}},
                "details": {"$ref": "QuotaDetails"},
                "applicableLocations": {"type": "array", "items": {"type": "string"}},
            },
        },
        "QuotaDetails": {"type": "object", "properties": {"value": {"type": "string"}}},
    },
    "resources": {
        "quotaInfos": {
            "methods": {
                "get": {
                    "id": "cloudquotas.projects.locations.services.quotaInfos.get",
                    "httpMethod": "GET",
                    "path": "v1/{+name}",
                    "parameters": {
                        "name": {
                            "location": "path",
                            "pattern": "^projects/[^/]+/locations/[^/]+/services/[^/]+/quotaInfos/[^/]+$",
                        }
                    },
                }
            }
        }
    },
}
DESCRIBED: dict[str, dict[str, Any]] = {"lustre.googleapis.com": _LUSTRE, "cloudquotas.googleapis.com": _QUOTAS}
