"""Models from other tools become graphs."""
