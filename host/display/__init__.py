"""The pictures of the LED matrix, by the state of the appliance."""
