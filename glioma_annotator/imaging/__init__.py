"""Images in and out, geometry, label operations; knows the domain, nibabel, SimpleITK and scipy."""
