"""Clients built from the OpenAPI document: Python, TypeScript, Postman."""
