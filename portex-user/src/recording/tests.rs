mod golden;
mod read;
mod write;
