"""Clock, ids, errors, spans and task supervision; imports nothing else of civicam."""
