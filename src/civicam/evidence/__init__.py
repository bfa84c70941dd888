"""What leaves the city and still stands: exports, and how anybody verifies them."""
