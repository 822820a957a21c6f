"""What is measured, asked, answered and reported."""
