"""The HTTP interface behind the pages, for programs too; `/api/v1/openapi.json` describes it."""
