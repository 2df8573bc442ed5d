"""The cluster bus: messages as bytes, and the connections that carry them."""
