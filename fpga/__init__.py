"""Builds for FPGA boards."""
