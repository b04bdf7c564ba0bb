"""What the commands share: which home, where words go, how errors end."""
