mod golden;
mod read;
mod samples;
mod write;
