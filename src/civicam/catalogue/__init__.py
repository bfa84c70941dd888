"""What exists, where and when: cameras, segments, gaps and holds."""
