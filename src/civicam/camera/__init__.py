"""A camera on the network, turned into samples."""
