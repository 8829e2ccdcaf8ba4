"""From a design to a bitstream with open tools, and what a build came to."""
