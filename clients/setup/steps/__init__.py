"""The steps of `loadshed setup` that ask questions: broker, contact, meter, circuits."""
