"""The accelerator's code generator: loop programs with copies, primitives and tokens become machine programs."""

from .arguments import Argument, Direction
from .errors import CodegenError
from .module import VdlaModule, compile_program

__all__ = ["Argument", "CodegenError", "Direction", "VdlaModule", "compile_program"]
