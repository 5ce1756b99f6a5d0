"""`python -m glioma_annotator`."""

from glioma_annotator.cli.main import main

raise SystemExit(main())
