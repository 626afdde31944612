"""What `tidemill_components.launch` is made of."""
