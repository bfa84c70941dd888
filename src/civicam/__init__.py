"""civicam: the camera system of a whole city, as software the watched can check."""
