"""What the tasks on rows of texts share: embed → encode → pool → head, the model folder, prediction, the gates of a reading."""
