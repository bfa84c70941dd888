"""What a viewer may see: everything that is not the long-term scene is covered, and in doubt everything is."""
