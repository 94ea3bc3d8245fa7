print("cvmfs")
