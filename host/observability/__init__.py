"""What is told of everything that happens: typed events, the bus they travel on, and the logs."""
