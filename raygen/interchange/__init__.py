"""What do other tools know, and what may they know of RayGen's runs?"""
