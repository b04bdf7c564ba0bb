"""The whole appliance on this computer, for people and for tests."""
