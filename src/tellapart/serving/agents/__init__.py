"""The entry of tellapart in the settings of coding agents, and its removal."""
