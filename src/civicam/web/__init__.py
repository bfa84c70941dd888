"""HTTP and WebSocket: parse, authorise, call, reply. Whatever gives out pictures takes a decision that allows it."""
