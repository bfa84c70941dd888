"""HTTP and WebSocket only: parse, authorise, call, reply."""
