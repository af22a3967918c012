"""Files on a disk, whatever is in them: durable files, the paths of stores, and the locks of whoever writes."""
