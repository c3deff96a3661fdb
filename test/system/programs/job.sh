# Writes beats to its terminal and answers what is typed there.
n=0
while true; do
  n=$((n + 1))
  echo "beat $n"
  if read -r -t 0.1 line; then echo "heard $line"; fi
done
