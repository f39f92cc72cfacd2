"""Many builds: one after another here, or beside each other on the machines of a cluster."""
