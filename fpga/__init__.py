"""Builds for FPGA boards; nothing is here yet."""
