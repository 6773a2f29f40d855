"""Traffic into replicas: drivers for HAProxy and Traefik behind one protocol."""
