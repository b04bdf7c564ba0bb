"""From the owner's files to the snapshot that a plan is made from."""
