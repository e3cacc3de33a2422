#!/bin/sh
echo purge
