"""`python3 dev.py train NAME`: an embedded expert, or the parser that judges them."""
import sys

from . import parser, train

if sys.argv[1:2] == ["parser"]:
    del sys.argv[1]
    parser.main()
else:
    train.main()
