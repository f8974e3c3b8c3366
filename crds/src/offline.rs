//! Schema, defaults, CEL rules and the logic of the admission policy without an API server.
