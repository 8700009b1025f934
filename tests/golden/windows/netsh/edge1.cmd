@echo off
rem datapath.exchange: this makes the rules of edge1. Run it there as an administrator. edge1-undo.cmd takes it back.
rem Windows Server 2025, roles edge_transport, state enforced, scope documented, encryption as_documented, plan 38a4811ae33d.
rem It first saves the whole policy of the firewall as edge1-before.wfw beside itself, because how the profiles were set cannot be known before.
rem It ends at the first line that fails, with code 1, and before the profiles are touched where that was a rule. It does not run twice.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if exist "%~dp0edge1-before.wfw" (echo edge1.cmd has run already. Run edge1-undo.cmd first.& exit /b 3)
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange " >nul
if not errorlevel 1 (echo This host has rules of datapath.exchange already. Remove them first.& exit /b 3)
"%T%\netsh.exe" advfirewall export "%~dp0edge1-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
if not exist "%~dp0edge1-before.wfw" (echo The policy was not saved. Nothing was changed.& exit /b 4)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in management 50aecdfd" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985-5986 remoteip=192.0.2.250 || (echo DATAPATH-FAILED 2& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in hub-to-edge-smtp e0959188" dir=in action=allow description="hub-to-edge-smtp" profile=any protocol=tcp localport=25 remoteip=192.0.2.11-192.0.2.12 || (echo DATAPATH-FAILED 3& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in edge-to-edge-smtp ab78d630" dir=in action=allow description="edge-to-edge-smtp internet-mail-edge" profile=any protocol=tcp localport=25 remoteip=0.0.0.0-255.255.255.255 || (echo DATAPATH-FAILED 4& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in edgesync-ldaps 2777678a" dir=in action=allow description="edgesync-ldaps" profile=any protocol=tcp localport=50636 remoteip=192.0.2.11-192.0.2.12 || (echo DATAPATH-FAILED 5& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in remote-desktop adc02d37" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250 || (echo DATAPATH-FAILED 6& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange out edge-to-hub-smtp a3d6693b" dir=out action=allow description="edge-to-hub-smtp" profile=any protocol=tcp remoteport=25 remoteip=192.0.2.11-192.0.2.12 || (echo DATAPATH-FAILED 7& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange out edge-to-edge-smtp 832ebb27" dir=out action=allow description="edge-to-edge-smtp edge-name-resolution" profile=any protocol=tcp remoteport=53 remoteip=203.0.113.53 || (echo DATAPATH-FAILED 8& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange out edge-to-edge-smtp b9f6a9fd" dir=out action=allow description="edge-to-edge-smtp edge-name-resolution" profile=any protocol=udp remoteport=53 remoteip=203.0.113.53 || (echo DATAPATH-FAILED 9& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange out edge-to-edge-smtp 93c40f35" dir=out action=allow description="edge-to-edge-smtp internet-mail-edge" profile=any protocol=tcp remoteport=25 remoteip=0.0.0.0-255.255.255.255 || (echo DATAPATH-FAILED 10& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange out edge-time d11e97da" dir=out action=allow description="edge-time" profile=any protocol=udp remoteport=123 remoteip=203.0.113.123 || (echo DATAPATH-FAILED 11& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile firewallpolicy blockinbound,blockoutbound || (echo DATAPATH-FAILED 12& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile logging droppedconnections enable || (echo DATAPATH-FAILED 13& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile state on || (echo DATAPATH-FAILED 14& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile firewallpolicy blockinbound,blockoutbound || (echo DATAPATH-FAILED 15& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile logging droppedconnections enable || (echo DATAPATH-FAILED 16& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile state on || (echo DATAPATH-FAILED 17& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile firewallpolicy blockinbound,blockoutbound || (echo DATAPATH-FAILED 18& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile logging droppedconnections enable || (echo DATAPATH-FAILED 19& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile state on || (echo DATAPATH-FAILED 20& exit /b 1)
echo DATAPATH-DONE
exit /b 0
