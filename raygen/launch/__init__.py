"""How does a run get onto a cluster, and how does one hear of it there?"""
