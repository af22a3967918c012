"""What lies on a disk, whatever is in it: durable files, the paths of stores, and the locks of whoever writes."""
