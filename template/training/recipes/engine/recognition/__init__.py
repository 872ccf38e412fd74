"""What is each file, from which training, and how good is it?"""
