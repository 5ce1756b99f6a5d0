"""The image viewer: the only modules that touch napari."""
