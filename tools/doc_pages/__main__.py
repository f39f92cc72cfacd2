"""Write every generated page into `docs/`, and remove those of parts that have left."""

from tools.doc_pages.site import write

write()
